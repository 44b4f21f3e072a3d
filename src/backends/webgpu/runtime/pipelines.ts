/**
 * Compute pipelines, compiled once for each program. A program's compilation starts when its first dispatch is
 * enqueued and goes on in Dawn's threads, several at a time, while commands pile up behind it (queue.ts).
 */
import { TandemError } from '../../../core/errors.js';
import type { Health } from './errors.js';

/** A program on its way to a pipeline. */
export interface Program {
  /** The compiled pipeline; null while it compiles, and for good when `failed`. */
  pipeline: GPUComputePipeline | null;
  /** What it does to bindings 1, 2, ..: 'r' reads, 'w' reads and writes. Binding 0 is its numbers. */
  readonly access: string;
  /** The layout of its bind groups, one for all programs of the same access; null where there is no device. */
  readonly layout: GPUBindGroupLayout | null;
  failed: boolean;
  /** Resolves (never rejects) when `pipeline` or `failed` is set. */
  readonly ready: Promise<void>;
}

interface Layout {
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

/** GPUShaderStage.COMPUTE (Node has no global of that name). */
const computeStage = 4;

/** A program and the labels that, with its key, name it. */
interface Labelled {
  readonly labels: readonly string[];
  readonly program: Program;
}

/** The programs of one device, by key and labels. */
export class Pipelines {
  /** Number of programs compiled or compiling since the device was opened. */
  created = 0;
  private readonly programs = new Map<string, Labelled[]>();
  private readonly layouts = new Map<string, Layout>();
  /** With `check`, what each key was compiled from. */
  private readonly sources = new Map<string, string>();

  /** @param check print a program again whenever its key is found, and compare it with what was compiled */
  constructor(
    private readonly device: GPUDevice,
    private readonly health: Health,
    private readonly check = false,
  ) {}

  /**
   * The program of a key and labels; `source` gives its WGSL (entry point `main`) when it is new.
   * @param labels compared one by one, which is quicker than to make them part of the key
   * @param access as `Program.access`, which goes with the labels
   * @throws {TandemError} when sources are checked and the key's was another
   */
  get(key: string, labels: readonly string[], access: string, source: () => string): Program {
    const named = this.programs.get(key) ?? [];
    const known = named.find((one) => one.program.access === access && same(one.labels, labels));
    if (this.check) this.compare([key, access, ...labels].join(' ').trim(), source());
    if (known) return known.program;
    const program = this.compile([key, ...labels].join(' '), access, source());
    this.created++;
    this.programs.set(key, [...named, { labels, program }]);
    return program;
  }

  /** Resolves when nothing is compiling. */
  async idle(): Promise<void> {
    await Promise.all([...this.programs.values()].flat().map(({ program }) => program.ready));
  }

  private compare(key: string, source: string): void {
    const known = this.sources.get(key);
    if (known === undefined) this.sources.set(key, source);
    else if (known !== source) {
      throw new TandemError(
        `WebGPU kernel ${key} names two programs; the key leaves out what they differ in:\n${firstDifference(known, source)}`,
      );
    }
  }

  private layoutOf(access: string): Layout {
    let layout = this.layouts.get(access);
    if (!layout) {
      const entry = (binding: number, buffer: GPUBufferBindingLayout): GPUBindGroupLayoutEntry => ({
        binding,
        visibility: computeStage,
        buffer,
      });
      const storage = [...access].map((use, i) =>
        entry(i + 1, { type: use === 'w' ? 'storage' : 'read-only-storage' }),
      );
      const entries = [entry(0, { type: 'uniform', hasDynamicOffset: true }), ...storage];
      const group = this.device.createBindGroupLayout({ entries });
      layout = { group, pipeline: this.device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.layouts.set(access, layout);
    }
    return layout;
  }

  private compile(label: string, access: string, code: string): Program {
    const layout = this.layoutOf(access);
    this.device.pushErrorScope('validation');
    const module = this.device.createShaderModule({ label, code });
    const problem = this.device.popErrorScope();
    const pipeline = this.device.createComputePipelineAsync({
      label,
      layout: layout.pipeline,
      compute: { module, entryPoint: 'main' },
    });
    const finish = async (): Promise<void> => {
      const [moduleError, compiled] = await Promise.allSettled([problem, pipeline]);
      const failure =
        compiled.status === 'rejected'
          ? compiled.reason
          : moduleError.status === 'fulfilled' && moduleError.value;
      if (compiled.status === 'fulfilled' && !failure) {
        program.pipeline = compiled.value;
        return;
      }
      program.failed = true;
      const details = await describe(module, code).catch(() => '');
      const reason = failure instanceof Error ? failure.message : String(Object(failure).message ?? failure);
      this.health.note(new TandemError(`WebGPU kernel ${label} doesn't compile: ${details || reason}`));
    };
    const program: Program = {
      pipeline: null,
      access,
      layout: layout.group,
      failed: false,
      ready: Promise.resolve().then(finish),
    };
    return program;
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The first lines in which two texts differ. */
function firstDifference(a: string, b: string): string {
  const [left, right] = [a.split('\n'), b.split('\n')];
  const at = left.findIndex((line, i) => line !== right[i]);
  return at < 0 ? `(end) / ${right[left.length]}` : `${left[at]} / ${right[at] ?? '(end)'}`;
}

/** The compiler's errors, each with the line of source it speaks of. */
async function describe(module: GPUShaderModule, code: string): Promise<string> {
  const { messages } = await module.getCompilationInfo();
  const lines = code.split('\n');
  return messages
    .filter((m) => m.type === 'error')
    .map((m) => `line ${m.lineNum}: ${m.message}\n  ${(lines[m.lineNum - 1] ?? '').trim()}`)
    .join('\n');
}
