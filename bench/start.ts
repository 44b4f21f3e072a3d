/**
 * Starts (Node): from spawning a process to the scores of one image, with the weights in a file that the system holds in
 * memory. Every sample is a process of its own, running startProgram.ts.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { multiplyAdds, placeLayers } from '../src/alexnet/architecture.js';
import { Network } from '../src/alexnet/network.js';
import { type NetName, nets } from '../src/alexnet/recipes.js';
import { openDevice, type WebGpuOptions } from '../src/backends/open.js';
import { writeWhole } from '../src/data/files.js';
import { list, number, object, parseJson } from '../src/formats/json.js';
import { encodeSafetensors } from '../src/formats/safetensors.js';
import type { HostTensor } from '../src/nn/module.js';
import { measure } from './harness.js';
import type { Probe } from './probes.js';
import { type Row, type StartStep, startName, stepsSchema } from './rows.js';
import { openingsOf, type Setting } from './settings.js';
import type { StartResult, StartTask } from './startProgram.js';
import { median } from './stats.js';

const program = fileURLToPath(new URL('./startProgram.js', import.meta.url));
const classes = 1000;

/** A network in a file, ready to be started as often as wanted. */
export class Starter {
  private constructor(
    private readonly net: NetName,
    private readonly folder: string,
    /** Bytes of the file. */
    private readonly bytes: number,
  ) {}

  /** Writes a network's drawn parameters (AlexNet: 244 MB) to a temporary file. */
  static async create(net: NetName, seed: number): Promise<Starter> {
    const { architecture, placement, recipe } = nets[net];
    const device = await openDevice('cpu:0');
    const network = new Network({ architecture, placement: placement(classes), devices: [device], seed });
    const tensors = new Map<string, HostTensor>(await network.stateDict());
    await device.close();
    const shape = [architecture.channels, recipe.imageSize, recipe.imageSize];
    const mean = new Float32Array(shape.reduce((a, b) => a * b)).fill(127);
    tensors.set('mean', { shape, data: mean });
    const pieces = encodeSafetensors({ tensors, metadata: {} });
    const starter = new Starter(
      net,
      await mkdtemp(join(tmpdir(), 'tandem-start-')),
      pieces.reduce((sum, piece) => sum + piece.length, 0),
    );
    await writeWhole(starter.weights, pieces);
    return starter;
  }

  private get weights(): string {
    return join(this.folder, 'weights.safetensors');
  }

  /** Measures a setting's start. Its roofline: the file's bytes read once, and the image's multiply-adds. */
  async measure(setting: Setting, probe: Probe, samples: number, webGpu: WebGpuOptions): Promise<Row> {
    const { architecture, placement } = nets[this.net];
    const layers = placeLayers(architecture, placement(classes));
    const flops = 2 * [...multiplyAdds(layers).values()].reduce((a, b) => a + b, 0);
    const devices = openingsOf(setting, webGpu);
    const runs: StartStep[][] = [];
    let cpu = 0;
    let ended = Promise.resolve();
    const run = async (): Promise<void> => {
      const begun = await start({ net: this.net, classes, devices, weights: this.weights });
      cpu += begun.cpuMs;
      ended = begun.ended;
      runs.push(begun.steps);
    };
    // How a process ends isn't part of its start, and must not disturb the next.
    const alone: Probe = { ...probe, measure: () => ended.then(() => probe.measure()) };
    const subject = {
      run,
      sync: async () => {},
      cost: { flops, bytes: this.bytes },
      cpuTime: () => cpu,
    };
    const measured = await measure(subject, alone, { samples, time: 0, burst: 0 });
    await ended;
    // The harness's first run only warmed up.
    const timed = runs.slice(1);
    const steps = timed[0]!.map(({ name }, i) => ({
      name,
      milliseconds: median(timed.map((each) => each[i]!.milliseconds)),
    }));
    const { device, threads } = setting;
    return { name: startName, device, threads, ...measured, start: steps };
  }

  /** Deletes the file. */
  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

interface Start {
  readonly steps: StartStep[];
  readonly cpuMs: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
}

/** Runs the program once, up to its result; what it can't measure itself becomes the first step. */
async function start(task: StartTask): Promise<Start> {
  const begun = performance.now();
  const child = spawn(process.execPath, [program, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  let text = '';
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.endsWith('\n')) resolve(text);
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the program to start ended with code ${code}`)));
  });
  const took = performance.now() - begun;
  const result = object<StartResult>({
    steps: stepsSchema,
    cpuMs: number(0),
    scores: list(number(), task.classes),
  });
  const { steps, cpuMs } = parseJson(line, 'what the program to start said', result);
  const within = steps.reduce((sum, step) => sum + step.milliseconds, 0);
  return { steps: [{ name: 'start Node', milliseconds: took - within }, ...steps], cpuMs, ended };
}
