import { useState } from 'preact/hooks';

import { announce } from './Toast';

export interface OpenDialog<Open> {
  /** Which dialog is open, and what it is about; `null` while none is. */
  open: Open | null;
  show: (open: Open) => void;
  close: () => void;
  /** Closes the dialog, says what was done, and loads again what the page shows. */
  finish: (said: string) => Promise<void>;
}

/** The one dialog that a page may have open. `Open` lists its dialogs, each with what it needs. */
export function useDialog<Open>(reload: () => Promise<void>): OpenDialog<Open> {
  const [open, setOpen] = useState<Open | null>(null);
  const close = (): void => setOpen(null);
  const finish = async (said: string): Promise<void> => {
    close();
    announce(said);
    await reload();
  };
  return { open, show: (next) => setOpen(() => next), close, finish };
}
