import type { JSX } from 'preact';

function icon(path: string): () => JSX.Element {
  return () => (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={path} />
    </svg>
  );
}

export const TrashIcon = icon('M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v6M14 11v6');
export const EditIcon = icon('M4 20h4L19 9l-4-4L4 16zM13 7l4 4');
export const KeyIcon = icon('M14 10a4 4 0 1 0-3.5 4L12 16h2v2h2v2h4v-3l-6.2-6.2M8.5 9.5h.01');
export const PlusIcon = icon('M12 5v14M5 12h14');

export function Logo(): JSX.Element {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path
        class="logo-flame"
        d="M9 2c1 4-3 5-3 9 0 2 1 3 3 3s3-1 3-3c0-4-3-5-3-9zM23 2c1 4-3 5-3 9 0 2 1 3 3 3s3-1 3-3c0-4-3-5-3-9z"
      />
      <circle class="logo-wheel" cx="9" cy="22" r="6.5" />
      <circle class="logo-wheel" cx="23" cy="22" r="6.5" />
      <path class="logo-spokes" d="M9 16v12M3 22h12M23 16v12M17 22h12" />
    </svg>
  );
}
