import { computed, effect, signal } from '@preact/signals';

import { remember, remembered } from '../storage';
import { en, type Messages } from './en';
import { zh } from './zh';

export const LANGUAGES = { en: 'English', zh: '中文' } as const;
export type Language = keyof typeof LANGUAGES;

const MESSAGES: Record<Language, Messages> = { en, zh };
const TAGS: Record<Language, string> = { en: 'en', zh: 'zh-CN' };

function firstLanguage(): Language {
  const chosen = remembered('language') ?? navigator.language;
  return chosen.startsWith('zh') ? 'zh' : 'en';
}

export const language = signal<Language>(firstLanguage());
/** The texts of the chosen language. */
export const messages = computed(() => MESSAGES[language.value]);
/** The language as `lang` attributes and `Intl` take it. */
export const languageTag = computed(() => TAGS[language.value]);

export function chooseLanguage(next: Language): void {
  language.value = next;
  remember('language', next);
}

export function startLanguage(): void {
  effect(() => {
    document.documentElement.lang = languageTag.value;
  });
}
