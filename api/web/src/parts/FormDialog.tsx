import type { ComponentChildren, JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';

import { type Fault, faultOf, fieldsAround } from '../alerts/fault';
import { errorText } from '../errors';
import { messages } from '../i18n';
import { Alert } from './Alert';
import { Dialog } from './Dialog';
import { FaultContext } from './Field';

interface FormDialogProps {
  title: string;
  submitLabel: string;
  /** Throws what is to be shown as an error; closing after success is up to it. */
  onSubmit: () => Promise<void>;
  onClose: () => void;
  isDangerous?: boolean;
  children: ComponentChildren;
}

/** A dialog with fields, "Cancel" and one button that does it. What the hub says against a field is shown there. */
export function FormDialog(props: FormDialogProps): JSX.Element {
  const { title, submitLabel, onSubmit, onClose, isDangerous = false, children } = props;
  const form = useRef<HTMLFormElement>(null);
  const [error, setError] = useState<string | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const [isBusy, setBusy] = useState(false);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError(null);
    setFault(null);
    try {
      await onSubmit();
    } catch (failure) {
      const found = shownFault(form.current, faultOf(failure));
      setFault(found);
      if (found === null) setError(errorText(failure));
    }
    setBusy(false);
  };

  return (
    <Dialog title={title} onClose={onClose}>
      <form class="form" ref={form} onSubmit={submit} onInvalidCapture={(event) => reveal(event.target)}>
        <FaultContext.Provider value={fault}>{children}</FaultContext.Provider>
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

/** The fault at the field that is nearest to it, which gets the focus; `null` when the form has no such field. */
function shownFault(form: HTMLFormElement | null, fault: Fault | null): Fault | null {
  if (form === null || fault === null) return null;
  const places = [...form.querySelectorAll<HTMLElement>('[data-field]')];
  for (const field of fieldsAround(fault.field)) {
    const place = places.find((one) => one.dataset.field === field);
    if (!place) continue;
    reveal(place);
    place.querySelector<HTMLElement>('input, select, textarea, button')?.focus();
    return { field, reason: fault.reason };
  }
  return null;
}

/** What is folded away can neither be seen nor have the focus. */
function reveal(place: EventTarget | null): void {
  const folded = place instanceof Element ? place.closest('details') : null;
  if (folded) folded.open = true;
}
