import type { JSX } from 'preact';

import { messages } from '../i18n';
import { FormDialog } from './FormDialog';

interface ConfirmDialogProps {
  title: string;
  question: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

export function ConfirmDialog({ title, question, onConfirm, onClose }: ConfirmDialogProps): JSX.Element {
  return (
    <FormDialog title={title} submitLabel={messages.value.confirm} onSubmit={onConfirm} onClose={onClose} isDangerous>
      <p class="breakable">{question}</p>
    </FormDialog>
  );
}
