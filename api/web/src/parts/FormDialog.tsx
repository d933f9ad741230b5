import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';

import { errorText } from '../errors';
import { messages } from '../i18n';
import { Alert } from './Alert';
import { Dialog } from './Dialog';

interface FormDialogProps {
  title: string;
  submitLabel: string;
  /** Throws what is to be shown as an error; closing after success is up to it. */
  onSubmit: () => Promise<void>;
  onClose: () => void;
  isDangerous?: boolean;
  children: ComponentChildren;
}

/** A dialog with fields, "Cancel" and one button that does it. */
export function FormDialog(props: FormDialogProps): JSX.Element {
  const { title, submitLabel, onSubmit, onClose, isDangerous = false, children } = props;
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError(null);
    try {
      await onSubmit();
    } catch (failure) {
      setError(errorText(failure));
    }
    setBusy(false);
  };

  return (
    <Dialog title={title} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        {children}
        {error !== null && <Alert>{error}</Alert>}
        <div class="buttons">
          <button type="button" class="button" onClick={onClose} data-autofocus={isDangerous || undefined}>
            {messages.value.cancel}
          </button>
          <button type="submit" class={isDangerous ? 'button danger' : 'button primary'} aria-busy={isBusy}>
            {submitLabel}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
