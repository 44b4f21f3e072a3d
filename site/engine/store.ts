/**
 * Runs in the browser's storage (IndexedDB), so that a page that is loaded again goes on where it was: settings, curve
 * and the state of everything, and the visitor's images where the run has those.
 */
import type { PartState } from 'tandem-ts/train';
import type { PlainRunImages } from './images.js';
import type { CurvePoint, ImageChoice, RunName } from './messages.js';
import type { Settings } from './settings.js';

/** What the page must know before anything of a run is loaded. */
export interface StoredBrief {
  readonly settings: Settings;
  readonly training: boolean;
}

/** A run as it is stored. */
export interface StoredRun extends StoredBrief {
  readonly images: ImageChoice;
  readonly curve: readonly CurvePoint[];
  readonly parts: ReadonlyMap<string, PartState>;
}

const database = 'tandem-towers';
const [runs, images] = ['runs', 'images'];

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(runs);
      request.result.createObjectStore(images);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function transact<T>(
  store: string,
  mode: IDBTransactionMode,
  use: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const db = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      const request = use(db.transaction(store, mode).objectStore(store));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } finally {
    db.close();
  }
}

/** Keeps a run; of one with the visitor's images, those lie apart (`storeImages`). */
export async function storeRun(name: RunName, run: StoredRun): Promise<void> {
  await transact(runs, 'readwrite', (store) => store.put(run, name));
}

/** The stored run of a name; null: none, or this browser stores nothing. */
export async function storedRun(name: RunName): Promise<StoredRun | null> {
  try {
    const found: StoredRun | undefined = await transact(runs, 'readonly', (store) => store.get(name));
    return found ?? null;
  } catch {
    return null;
  }
}

/** Forgets a run. */
export async function forgetRun(name: RunName): Promise<void> {
  await transact(runs, 'readwrite', (store) => store.delete(name)).catch(() => {});
}

/** Keeps the visitor's images, in place of those before. */
export async function storeImages(given: PlainRunImages): Promise<void> {
  await transact(images, 'readwrite', (store) => store.put(given, 'given'));
}

/** The visitor's images that were kept last. */
export async function storedImages(): Promise<PlainRunImages | null> {
  const found: PlainRunImages | undefined = await transact(images, 'readonly', (store) => store.get('given'));
  return found ?? null;
}
