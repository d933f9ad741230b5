import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { messages } from '../i18n';
import { Dialog } from './Dialog';
import { Field } from './Field';

interface SecretDialogProps {
  title: string;
  /** Why it has to be copied now. */
  hint: string;
  label: string;
  secret: string;
  onClose: () => void;
  /** What the secret depends on. */
  children?: ComponentChildren;
}

/** Shows something once, ready to copy. */
export function SecretDialog({ title, hint, label, secret, onClose, children }: SecretDialogProps): JSX.Element {
  const text = messages.value;
  const field = useRef<HTMLTextAreaElement>(null);
  const [isCopied, setCopied] = useState(false);

  // What was copied is another one.
  useEffect(() => setCopied(false), [secret]);

  const copy = async (): Promise<void> => {
    field.current?.select();
    setCopied(await copied(secret));
  };

  return (
    <Dialog title={title} onClose={onClose}>
      <div class="form">
        <p>{hint}</p>
        {children}
        <Field label={label}>
          {(attributes) => (
            <textarea
              {...attributes}
              ref={field}
              class="secret"
              readOnly
              rows={secret.length > 60 ? 4 : 1}
              value={secret}
            />
          )}
        </Field>
        <div class="buttons">
          <span class="copied" role="status">
            {isCopied ? text.copied : ''}
          </span>
          <button type="button" class="button primary" onClick={copy} data-autofocus>
            {text.copy}
          </button>
          <button type="button" class="button" onClick={onClose}>
            {text.done}
          </button>
        </div>
      </div>
    </Dialog>
  );
}

async function copied(secret: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(secret);
    return true;
  } catch {
    // Without TLS there is no clipboard; the old way copies what is selected.
    return document.execCommand('copy');
  }
}
