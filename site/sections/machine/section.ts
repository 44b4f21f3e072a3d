/**
 * The fifth section's life: the benchmark runs in a thread, its rows come one by one, and the report can be copied.
 */
import { browserReport } from '../../../bench/page/browserReport.js';
import type { Row } from '../../../bench/rows.js';
import type { FromMachine, ToMachine } from '../../engine/machineWorker.js';
import type { App } from '../../page/app.js';
import { byId, element, setText } from '../../page/dom.js';
import { onLanguage, percent, say } from '../../page/language.js';
import { drawRoofline } from './roofline.js';

/** Starts the section. */
export function startMachine(app: App): void {
  const go = byId('machine-go', HTMLButtonElement);
  const copy = byId('machine-copy', HTMLButtonElement);
  const state = byId('machine-state', HTMLElement);
  const chart = byId('roofline', HTMLElement);
  const table = byId('machine-rows', HTMLElement);
  let worker: Worker | null = null;
  let rows: Row[] = [];
  let devices: Readonly<Record<string, string>> = {};
  let told: () => string = () => say('machineIdle');

  const tell = (text: () => string): void => {
    told = text;
    setText(state, text());
    setText(go, say(worker ? 'machineStop' : 'machineGo'));
  };
  const end = (text: () => string): void => {
    worker?.terminate();
    worker = null;
    tell(text);
  };
  const hear = (message: FromMachine): void => {
    if (message.kind === 'row') {
      rows.push(message.row);
      table.append(lineOf(message.row));
      copy.disabled = false;
      drawRoofline(chart, rows);
      tell(() => say('machineRunning', { n: rows.length, name: message.row.name }));
    } else if (message.kind === 'devices') devices = { ...devices, ...message.devices };
    else if (message.kind === 'failed') end(() => say('failed', { problem: message.problem }));
    else end(() => say('machineDone', { n: rows.length }));
  };
  go.addEventListener('click', () => {
    if (worker) {
      end(() => say('machineDone', { n: rows.length }));
      return;
    }
    for (const name of ['main', 'second'] as const) app.run(name)?.pause();
    rows = [];
    devices = {};
    table.replaceChildren();
    worker = new Worker(new URL('./machineWorker.js', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<FromMachine>) => hear(data);
    worker.onerror = ({ message }) =>
      hear({ kind: 'failed', problem: message || 'its thread failed to load' });
    const threads = crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency) : 1;
    const device = byId('machine-device', HTMLSelectElement).value === 'webgpu' ? 'webgpu' : 'cpu';
    worker.postMessage({ device, threads } satisfies ToMachine);
    chart.classList.add('measured');
    tell(() => say('machineStarting'));
  });
  copy.addEventListener('click', async () => {
    const text = JSON.stringify(browserReport({ quick: true, devices, rows }), null, 1);
    await navigator.clipboard.writeText(text);
    tell(() => say('machineCopied'));
  });
  new ResizeObserver(() => {
    if (rows.length > 0) drawRoofline(chart, rows);
  }).observe(chart);
  onLanguage(() => tell(told));
}

function lineOf({ name, medianMs, gflops, gbps, shareOfPeak }: Row): HTMLTableRowElement {
  const cells = [
    medianMs.toPrecision(3),
    gflops.toPrecision(3),
    gbps.toPrecision(3),
    percent(shareOfPeak, 0),
  ];
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, name),
    ...cells.map((text) => element('td', {}, text)),
  );
}
