import { effect, signal } from '@preact/signals';

import { remember, remembered } from './storage';

export const THEMES = ['auto', 'dark', 'light'] as const;
export type Theme = (typeof THEMES)[number];

function known(name: string | null): Theme {
  return THEMES.find((theme) => theme === name) ?? 'auto';
}

export const theme = signal<Theme>(known(remembered('theme')));

const darkSystem = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(darkSystem.matches);
darkSystem.addEventListener('change', () => {
  systemIsDark.value = darkSystem.matches;
});

/** Whether the page is dark now; for what is drawn instead of styled. */
export function isDark(): boolean {
  return theme.value === 'auto' ? systemIsDark.value : theme.value === 'dark';
}

export function startTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    remember('theme', theme.value);
  });
}

/** A custom property as a colour that a canvas understands. */
export function colourOf(property: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
