/**
 * The functions that a device's threads know: those of emitted modules, which are loaded and looked up at their first
 * use, and the plain loops; each by a number.
 */
import type { KernelName } from '../../../core/backend.js';
import { unshared } from '../asm/assembler.js';
import type { Features, KernelModule } from '../plan.js';
import { opcode } from './control.js';

interface LoadedModule {
  readonly number: number;
  readonly functions: Map<string, number>;
}

/**
 * An empty section named 'wide', to end modules with. Engines compile modules of the same bytes once in a process: those
 * compiled before vectors were fused shall not be taken.
 */
const wideSection = [0, 5, 4, ...new TextEncoder().encode('wide')];

/** The functions of one device. */
export class Functions {
  private readonly modules = new Map<string, LoadedModule>();
  /** The same by the objects seen before: finding one by its key takes as long as small work. */
  private readonly seen = new WeakMap<KernelModule, LoadedModule>();
  private readonly moduleKeys: string[] = [];
  /** For each function its name, for messages. */
  private readonly names: string[] = [];
  private readonly loops = new Map<KernelName, number>();

  /** @param push enqueues a command with `[a, b]` that ends in some bytes */
  constructor(
    private readonly features: Features,
    private readonly push: (code: number, a: number, b: number, bytes: Uint8Array) => void,
  ) {}

  /** The number of function `fn` of a module. */
  of(module: KernelModule, fn: string): number {
    const loaded = this.seen.get(module) ?? this.loadedOf(module);
    const known = loaded.functions.get(fn);
    if (known !== undefined) return known;
    const number = this.names.push(`${fn} of module ${module.key}`) - 1;
    loaded.functions.set(fn, number);
    this.push(opcode.bind, number, loaded.number, new TextEncoder().encode(fn));
    return number;
  }

  /** The number of a kernel's plain loop. */
  ofLoop(kernel: KernelName): number {
    const known = this.loops.get(kernel);
    if (known !== undefined) return known;
    const number = this.names.push(`the plain loop of ${kernel}`) - 1;
    this.loops.set(kernel, number);
    return number;
  }

  /** What it was that failed, from a command's header; null where no function had to do with it. */
  describe(code: number, a: number): string | null {
    switch (code) {
      case opcode.load:
        return `module ${this.moduleKeys[a]} doesn't compile`;
      case opcode.run:
      case opcode.runAlone:
      case opcode.bind:
      case opcode.loop:
        return `${this.names[a]} failed`;
      default:
        return null;
    }
  }

  private loadedOf(module: KernelModule): LoadedModule {
    const loaded = this.modules.get(module.key) ?? this.load(module);
    this.seen.set(module, loaded);
    return loaded;
  }

  private load(module: KernelModule): LoadedModule {
    const emitted = module.emit(this.features);
    const code = this.features.shared ? emitted : unshared(emitted);
    const bytes = this.features.wide ? Uint8Array.of(...code, ...wideSection) : code;
    const loaded = { number: this.moduleKeys.push(module.key) - 1, functions: new Map<string, number>() };
    this.modules.set(module.key, loaded);
    this.push(opcode.load, loaded.number, 0, bytes);
    return loaded;
  }
}
