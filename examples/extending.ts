/** Written from outside: a layer with buffers, an optimizer, a logger of activations and gradients, and a check that a step
 * leaves nothing behind. `node dist/examples/extending.js STEPS` */
import {
  abs,
  add,
  type Device,
  div,
  type Expr,
  e,
  max,
  mean,
  mseLoss,
  mul,
  noLeaks,
  ones,
  openDevice,
  randn,
  scope,
  sqrt,
  sub,
  sum,
  Tensor,
  update,
  variance,
  zeros,
} from 'tandem-ts';
import {
  Layer,
  Linear,
  type OptimizerGroup,
  parameter,
  ReLU,
  Sequential,
  SlotOptimizer,
  type Trained,
} from 'tandem-ts/nn';

const [steps = '100'] = process.argv.slice(2);

/** Each feature less its mean, over its deviation: the batch's in training, running ones in evaluation. x `[N, F]`. */
class Standardize extends Layer {
  readonly scale: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly batches: Tensor;

  constructor(features: number, device: Device) {
    super();
    this.scale = parameter(ones([features], { device }));
    this.mean = this.buffer(zeros([features], { device }));
    this.variance = this.buffer(ones([features], { device }));
    this.batches = this.buffer(zeros([], { device, dtype: 'int32' }));
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const [center, spread] = this.training ? this.ofBatch(x) : [this.mean, this.variance];
      return mul(this.scale, div(sub(x, center), sqrt(add(spread, 1e-5))));
    });
  }

  private ofBatch(x: Tensor): [Tensor, Tensor] {
    const [center, spread] = [mean(x, { axes: 0 }), variance(x, { axes: 0 })];
    const moved = e.add(e.mul(e.input(0), 0.9), e.mul(e.input(1), 0.1));
    update(this.mean, moved, [this.mean, center]);
    update(this.variance, moved, [this.variance, spread]);
    update(this.batches, e.add(e.input(0), 1), [this.batches]);
    return [center, spread];
  }
}

const defaults = { learningRate: 0.001, nearBeta: 0.9, farBeta: 0.99, weightDecay: 0 };
const [w, g, m] = [e.input(0), e.input(1), e.input(2)];
const [rate, nearBeta, farBeta, decay] = [e.param(0), e.param(1), e.param(2), e.param(3)];
const mixed = (beta: Expr) => e.add(e.mul(beta, m), e.mul(e.sub(1, beta), g));
const sign = e.sub(e.gt(mixed(nearBeta), 0), e.lt(mixed(nearBeta), 0));
const stepped = e.sub(w, e.mul(rate, e.add(sign, e.mul(decay, w))));

/** Lion (Chen et al. 2023): a step of one size for all, in the direction of the momentum's sign. */
class Lion extends SlotOptimizer<typeof defaults> {
  constructor(params: Trained<typeof defaults>, options: Partial<typeof defaults> = {}) {
    super('Lion', params, options, defaults, ['momentum']);
  }

  protected update(x: Tensor, gradient: Tensor, group: OptimizerGroup & typeof defaults): void {
    const momentum = this.slot('momentum', x);
    const params = [group.learningRate, group.nearBeta, group.farBeta, group.weightDecay];
    update([x, momentum], [stepped, mixed(farBeta)], [x, gradient, momentum], { params, op: 'Lion' });
  }
}

const device = await openDevice('cpu:0');
const model = new Sequential(
  new Linear(4, 16, { device }),
  new Standardize(16, device),
  new ReLU(),
  new Linear(16, 1, { device }),
);
const optimizer = new Lion(model.parameters(), { learningRate: 0.02 });

const train = (): Promise<number> =>
  scope(() => {
    const x = randn([32, 4], { device });
    const loss = mseLoss(model.forward(x), sum(x, { axes: 1, keepDim: true }));
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss.item();
  });

const lines: Promise<string>[] = [];
const log = async (what: string, x: Tensor): Promise<string> => {
  const largest = max(abs(x)).item();
  return `${what}: at most ${(await largest).toFixed(4)}`;
};
const stops = [...model.namedModules()].map(([path, layer]) =>
  layer.onForward((_layer, _inputs, y) => {
    if (!(y instanceof Tensor)) return;
    lines.push(log(`layer '${path}'`, y));
    y.onGradient((gradient) => lines.push(log(`gradient of layer '${path}'`, gradient)));
  }),
);
await train();
console.log((await Promise.all(lines)).join('\n'));
for (const stop of stops) stop();

const losses: Promise<number>[] = [];
for (let i = 0; i < Number(steps); i++) losses.push(train());
console.log(`loss ${(await losses.at(0))?.toFixed(4)}, then ${(await losses.at(-1))?.toFixed(4)}`);
console.log(`${(await model.stateDict()).get('1.batches')?.data[0]} batches were seen`);

optimizer.zeroGrad();
await noLeaks(device, async () => {
  await train();
  optimizer.zeroGrad();
});
device.trackTensors();
const forgotten = model.eval().forward(randn([1, 4], { device }));
console.log(device.liveTensors().join('\n'));
forgotten.dispose();
await device.close();
