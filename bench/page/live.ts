/**
 * The suite in the page's browser: a form that says what to run and stops it, a table that fills while it runs, and the
 * report to save, which `npm run bench:compare` and `npm run bench:page` read like any other.
 */
import { listAdapters } from '../../src/index.js';
import { keyOf } from '../comparison.js';
import { parseReport, type Report, type Row } from '../rows.js';
import { parseSettings } from '../settings.js';
import { runSuite } from '../suite.js';
import { cellsOf, digits, heads } from '../table.js';
import { browserReport } from './browserReport.js';

function find<T extends Element>(selector: string, kind: new () => T): T {
  const found = document.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${selector}`);
}

/** The report that the page shows, if it shows one. */
function shownReport(): Report | null {
  const text = find('#report', HTMLScriptElement).text;
  return text === 'null' ? null : parseReport(text, 'this page');
}

const live = find('#live', HTMLElement);
live.innerHTML = `
<form><fieldset>
<label>device <select name="device"><option>cpu:0</option><option>cpu:0+cpu:1</option></select></label>
<label>threads <input name="threads" value="1" size="6"></label>
<label>rows <input name="only" value="^(matmul|conv|AlexNet inference)" size="30"></label>
<label><input name="quick" type="checkbox" checked> quick</label>
<button>Run</button> <button type="button" id="stop" disabled>Stop</button>
<p id="state" role="status"></p>
<progress id="progress" aria-label="rows measured" hidden></progress>
</fieldset></form>
<div class="wide" role="region" tabindex="0" aria-label="Rows of this browser"><table id="rows" hidden><tr>${[...heads, "report's ms", 'ratio'].map((text) => `<th>${text}</th>`).join('')}</tr></table></div>
<p><a id="save" hidden download="browser.json">Save the last run's report</a></p>`;

const form = find('#live form', HTMLFormElement);
const state = find('#state', HTMLElement);
const table = find('#rows', HTMLTableElement);
const button = find('#live button', HTMLButtonElement);
const stop = find('#stop', HTMLButtonElement);
const progress = find('#progress', HTMLProgressElement);
const save = find('#save', HTMLAnchorElement);
const shown = new Map(shownReport()?.rows.map((row) => [keyOf(row), row]));

function addRow(row: Row): void {
  const other = shown.get(keyOf(row));
  const compared = other ? [digits(other.medianMs), (row.medianMs / other.medianMs).toFixed(2)] : ['-', '-'];
  const line = table.insertRow();
  for (const [i, text] of [...cellsOf(row), ...compared].entries()) {
    const cell = line.insertCell();
    cell.textContent = text;
    if (i >= 2) cell.className = 'n';
  }
}

/** Runs what the form says, until the signal asks to stop; what was measured by then is a report as well. */
async function run(signal: AbortSignal): Promise<void> {
  const fields = new FormData(form);
  const field = (name: string): string => String(fields.get(name) ?? '');
  const [device = '', adapter] = field('device').split('|');
  const quick = fields.has('quick');
  const rows: Row[] = [];
  let devices: Record<string, string> = {};
  const started = performance.now();
  const settings = parseSettings(device, field('threads'));
  const suite = runSuite({
    settings,
    only: new RegExp(field('only'), 'i'),
    quick,
    scaling: false,
    seed: 1,
    webGpu: adapter === undefined ? {} : { adapter },
    onRow(row) {
      rows.push(row);
      addRow(row);
      progress.value = rows.length;
    },
    onBegin(_, name, count) {
      progress.max = count * settings.length;
      progress.value = rows.length;
      state.textContent = `${rows.length} of ${progress.max} rows; now ${name} ..`;
    },
    signal,
    onDevices(descriptions) {
      devices = { ...devices, ...descriptions };
    },
  });
  await suite.catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  const took = ((performance.now() - started) / 1000).toFixed(0);
  state.textContent = `${signal.aborted ? 'stopped: ' : ''}${rows.length} rows in ${took} s; ${Object.values(devices).join('; ')}`;
  if (rows.length === 0 && signal.aborted) return;
  if (rows.length === 0) throw new Error(`no row matches on ${device} with ${field('threads')} threads`);
  const report = browserReport({ quick, devices, rows });
  URL.revokeObjectURL(save.href);
  save.href = URL.createObjectURL(new Blob([JSON.stringify(report, null, 1)], { type: 'application/json' }));
  save.hidden = false;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const stopping = new AbortController();
  const onStop = (): void => {
    state.textContent = 'stopping ..';
    stopping.abort();
  };
  button.disabled = true;
  stop.disabled = false;
  stop.addEventListener('click', onStop);
  table.hidden = false;
  progress.hidden = false;
  progress.removeAttribute('value');
  state.textContent = 'starting ..';
  run(stopping.signal)
    .catch((error: unknown) => {
      state.textContent = String(error);
    })
    .finally(() => {
      button.disabled = false;
      stop.disabled = true;
      stop.removeEventListener('click', onStop);
      progress.hidden = true;
    });
});

// Adapters are offered as far as this browser has any.
listAdapters().then(
  (adapters) => {
    const select = find('#live select', HTMLSelectElement);
    for (const { name } of adapters) select.add(new Option(`webgpu:0, ${name}`, `webgpu:0|${name}`));
  },
  () => {},
);
