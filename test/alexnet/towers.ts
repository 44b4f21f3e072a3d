/**
 * What tests of networks share: a training step with its results on the host, and comparing two networks.
 */
import * as assert from 'uvu/assert';
import { type Architecture, crossings, type Placement, placeLayers } from '../../src/alexnet/architecture.js';
import { Network, type NetworkOptions } from '../../src/alexnet/network.js';
import { crossEntropy } from '../../src/core/ops/loss.js';
import { scope } from '../../src/core/scope.js';
import { noGrad } from '../../src/core/tape.js';
import { Tensor } from '../../src/core/tensor.js';
import { ledger } from '../../src/core/trace.js';
import { type HostTensor, readBelonging, type StateDict } from '../../src/nn/module.js';
import { assertClose, onDevice, onHost } from '../support/devices.js';
import { inScope } from '../support/scope.js';

/** What a training step gave, on the host. */
export interface StepResult {
  readonly logits: HostTensor;
  readonly gradients: StateDict;
}

/** Forward and backward on one batch; image i is of class `i % classes`. Leaves no gradients behind. */
export async function trainingStep(network: Network, images: HostTensor): Promise<StepResult> {
  return inScope(async () => {
    const logits = network.forward(network.devices.map((device) => onDevice(images, device)));
    const [n = 0, classes = 1] = logits.shape;
    const labels = Int32Array.from({ length: n }, (_, i) => i % classes);
    crossEntropy(logits, Tensor.from('labels', logits.device, labels, [n])).backward();
    const gradients = await readBelonging(network, (x) => x.grad);
    network.zeroGrad();
    return { logits: await onHost(logits), gradients };
  });
}

/** Forward alone, without dropout. */
export async function predict(network: Network, images: HostTensor): Promise<HostTensor> {
  network.eval();
  try {
    const logits = noGrad(() =>
      scope(() => network.forward(network.devices.map((device) => onDevice(images, device)))),
    );
    return await onHost(logits).finally(() => logits.dispose());
  } finally {
    network.train();
  }
}

/** Fails unless both networks give the same outputs and gradients to float32 rounding, in training and evaluation. */
export async function assertSameNetwork(a: Network, b: Network, images: HostTensor): Promise<void> {
  // The same weights bit for bit.
  assert.equal(await a.stateDict(), await b.stateDict());
  assertClose(await predict(b, images), await predict(a, images), 'logits in evaluation');
  for (let step = 0; step < 2; step++) {
    const [one, other] = [await trainingStep(a, images), await trainingStep(b, images)];
    assertClose(other.logits, one.logits, `logits of step ${step}`);
    assert.equal([...other.gradients.keys()], [...one.gradients.keys()]);
    for (const [name, gradient] of one.gradients) {
      assert.ok(
        gradient.data.some((x) => x !== 0),
        `the gradient of ${name} is all zeros`,
      );
      assertClose(other.gradients.get(name)!, gradient, `gradient of ${name} in step ${step}`, 1e-10);
    }
  }
}

/** A network of `options`, disposed of after `use`. */
export async function withNetwork<T>(
  options: NetworkOptions,
  use: (network: Network) => Promise<T>,
): Promise<T> {
  const network = new Network(options);
  try {
    return await use(network);
  } finally {
    network.dispose();
  }
}

/**
 * Fails unless the ledger holds exactly the crossings that the tables predict for a training step of `batch` images.
 * @param names of the towers' devices
 */
export function assertLedger(
  architecture: Architecture,
  placement: Placement,
  batch: number,
  names: readonly string[] = ['cpu:0', 'cpu:1'],
): void {
  const expected = crossings(placeLayers(architecture, placement)).flatMap(({ layer, from, to, floats }) => [
    `forward ${layer} ${names[from]} to ${names[to]} ${floats * 4 * batch}`,
    `backward ${layer} ${names[to]} to ${names[from]} ${floats * 4 * batch}`,
  ]);
  const rows = ledger.rows.map(
    ({ phase, layer, from, to, bytes }) => `${phase} ${layer} ${from} to ${to} ${bytes}`,
  );
  assert.equal(rows.sort(), expected.sort());
}
