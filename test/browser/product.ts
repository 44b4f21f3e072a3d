/** A worker of any kind that multiplies two matrices on a CPU device and answers what the device is and the product. */
import { openDevice } from '../../src/backends/cpuAlone.js';
import { tensor } from '../../src/core/ops/create.js';
import { matmul } from '../../src/core/ops/matmul.js';

async function answer(): Promise<string> {
  const device = await openDevice('cpu:0', { threads: 2 });
  const a = tensor([1, 2, 3, 4], { shape: [2, 2], device });
  const product = await matmul(a, a).data();
  const text = `${device.description} ${product}`;
  await device.close();
  return text;
}

/** To the port that came along, or else to who started the worker. */
function take({ ports: [port] }: MessageEvent): void {
  const send = (text: string): void => (port ? port.postMessage(text) : self.postMessage(text));
  answer().then(send, (error: unknown) => send(String(error)));
}

self.addEventListener('message', take);
self.addEventListener('connect', (event) => {
  if (!(event instanceof MessageEvent)) return;
  const [own] = event.ports;
  own?.addEventListener('message', take);
  own?.start();
});
