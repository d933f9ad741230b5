import type { JSX } from 'preact';

/** A short mark; what does not fit into it is its title. Nothing for no text. */
export function Chip({ text }: { text: string }): JSX.Element | null {
  if (text === '') return null;
  return (
    <span class="chip" title={text}>
      {text}
    </span>
  );
}
