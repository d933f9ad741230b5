import { signal } from '@preact/signals';
import type { JSX } from 'preact';

const SHOWN_MS = 6000;

const message = signal('');
let timer: ReturnType<typeof setTimeout> | undefined;

/** Says that something is done, in passing. */
export function announce(text: string): void {
  clearTimeout(timer);
  message.value = text;
  timer = setTimeout(() => {
    message.value = '';
  }, SHOWN_MS);
}

export function Toast(): JSX.Element {
  return (
    <div class={message.value === '' ? 'toast' : 'toast shown'} role="status">
      {message.value}
    </div>
  );
}
