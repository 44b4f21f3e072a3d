/** A network on two devices by hand: each holds half of the hidden units, which the devices exchange, and the bytes that
 * cross are counted. `node dist/examples/twoDevices.js EPOCHS`. */
import {
  type Device,
  exchange,
  inLayer,
  ledger,
  mseLoss,
  openDevice,
  scope,
  type Tensor,
  tensor,
  to,
} from 'tandem-ts';
import { Linear, Module, Sequential, SGD, Tanh } from 'tandem-ts/nn';

const [epochs = '300'] = process.argv.slice(2);
const first = await openDevice('cpu:0');
const second = await openDevice('cpu:1'); // or 'webgpu:0': nothing else changes

/** Half of the hidden units of two layers on one device: the second layer reads all units of the first. */
class Tower extends Module {
  readonly near: Sequential;
  readonly far: Sequential;

  constructor(readonly device: Device) {
    super();
    this.near = new Sequential(new Linear(1, 16, { device }), new Tanh());
    this.far = new Sequential(new Linear(32, 16, { device }), new Tanh());
  }
}

class Net extends Module {
  readonly towers = [new Tower(first), new Tower(second)];
  readonly last = new Linear(32, 1, { device: first });

  forward(x: Tensor): Tensor {
    // The tape knows of crossings: backward() sends the gradients the other way. Nothing is awaited.
    const near = this.towers.map((tower) => tower.near.forward(to(x, tower.device)));
    const joined = inLayer('far', () => exchange(near));
    const far = this.towers.map((tower, i) => tower.far.forward(joined[i]!));
    return inLayer('last', () => this.last.forward(exchange(far, { devices: [first] })[0]!));
  }
}

const net = new Net();
const optimizer = new SGD(net.parameters(), { learningRate: 0.05, weightDecay: 0 });
const angles = Array.from({ length: 64 }, (_, i) => (i / 32 - 1) * Math.PI);
const x = tensor(
  angles.map((a) => [a]),
  { device: first },
);
const y = tensor(
  angles.map((a) => [Math.sin(a)]),
  { device: first },
);
for (let epoch = 1; epoch <= Number(epochs); epoch++) {
  ledger.clear();
  const loss = scope(() => {
    const loss = mseLoss(net.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss.item();
  });
  if (epoch % 50 === 0 || epoch === 1) console.log(`epoch ${epoch}: loss ${(await loss).toFixed(5)}`);
}
for (const phase of ['forward', 'backward'])
  console.log(`${phase}: ${ledger.bytes((row) => row.phase === phase)} bytes cross in a step`);
await Promise.all([first.close(), second.close()]);
