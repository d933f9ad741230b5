/** What this browser remembers. Storage may be forbidden or full; then a choice lasts until the page is left. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(`windfire.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`windfire.${key}`, value);
  } catch {
    // Nothing is lost that could not be chosen again.
  }
}
