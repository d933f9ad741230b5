/** The fields of `after` that differ from those of `before`, however deep. Fields that only `before` has stay out. */
export function changed<T extends object>(before: Partial<T>, after: T): Partial<T> {
  const names = Object.keys(after) as (keyof T)[];
  const differs = (name: keyof T): boolean => JSON.stringify(before[name]) !== JSON.stringify(after[name]);
  return Object.fromEntries(names.filter(differs).map((name) => [name, after[name]])) as Partial<T>;
}
