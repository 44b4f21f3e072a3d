/**
 * Node's own modules, and packages that only Node takes, loaded when first needed: by names that bundlers don't see in the text, since in a browser nobody
 * comes to ask for them.
 */
interface NodeModules {
  readonly 'node:fs/promises': typeof import('node:fs/promises');
  readonly 'node:os': typeof import('node:os');
  readonly 'node:v8': typeof import('node:v8');
  readonly 'node:worker_threads': typeof import('node:worker_threads');
  readonly koffi: typeof import('koffi');
}

/** A module for Node. @throws what `import` throws where there is none */
export async function nodeModule<K extends keyof NodeModules>(name: K): Promise<NodeModules[K]> {
  const found: NodeModules[K] = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  return found;
}

/** Whether this is Node (or something that takes its place, as Deno and Bun do) and not a browser. */
export function isNode(): boolean {
  return typeof process === 'object' && typeof process.versions?.node === 'string';
}
