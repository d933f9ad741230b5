import type { JSX } from 'preact';

import { messages } from '../i18n';

interface PagerProps {
  /** From 0 on. */
  page: number;
  pages: number;
  onChange: (page: number) => void;
}

/** Leads through the pages of a long list; nothing where there is one page. */
export function Pager({ page, pages, onChange }: PagerProps): JSX.Element | null {
  const text = messages.value.manage;
  if (pages <= 1) return null;
  return (
    <div class="pager">
      <button type="button" class="button small" disabled={page === 0} onClick={() => onChange(page - 1)}>
        {text.previous}
      </button>
      <span aria-live="polite">{text.page(page + 1, pages)}</span>
      <button type="button" class="button small" disabled={page === pages - 1} onClick={() => onChange(page + 1)}>
        {text.next}
      </button>
    </div>
  );
}
