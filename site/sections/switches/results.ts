/**
 * What switches came to in this browser, kept for the next visit.
 */

/** Errors of both runs after the same images. */
export interface Result {
  readonly images: number;
  readonly kept: number;
  readonly changed: number;
}

const key = 'tandem-switches';

/** Results by the names of switches. */
export class Results {
  private readonly results = new Map<string, Result>(stored());

  get(name: string): Result | null {
    return this.results.get(name) ?? null;
  }

  set(name: string, result: Result): void {
    this.results.set(name, result);
    try {
      localStorage.setItem(key, JSON.stringify([...this.results]));
    } catch {
      // This browser keeps nothing.
    }
  }
}

function stored(): [string, Result][] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    if (!Array.isArray(found)) return [];
    return found.filter(isEntry);
  } catch {
    return [];
  }
}

function isEntry(entry: unknown): entry is [string, Result] {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string') return false;
  const result: unknown = entry[1];
  return (
    typeof result === 'object' &&
    result !== null &&
    ['images', 'kept', 'changed'].every((name) => typeof Reflect.get(result, name) === 'number')
  );
}
