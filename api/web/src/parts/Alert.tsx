import type { ComponentChildren, JSX } from 'preact';

export function Alert({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <div class="alert" role="alert">
      {children}
    </div>
  );
}
