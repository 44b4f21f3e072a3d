/**
 * The first section: training the two towers.
 */
import { markup as m } from '../../page/markup.js';

/** The section as markup. */
export const trainMarkup = (): string => `
<section id="train" aria-labelledby="train-title">
<h2 id="train-title" class="sr-only">${m('trainTitle')}</h2>
<form id="controls" class="card controls">
<button id="go" type="submit" class="primary" disabled>${m('train')}</button>
<button id="anew" type="button" disabled>${m('startAnew')}</button>
<label>${m('seed')} <input id="seed" type="number" min="0" max="999999" step="1" value="0" inputmode="numeric"></label>
<label>${m('rate')} <select id="rate"><option>0.005</option><option>0.01</option><option selected>0.02</option><option>0.03</option><option>0.06</option></select></label>
<label>${m('deviceLabel')} <select id="device"><option value="cpu" data-t="deviceCpu">${m.plain('deviceCpu')}</option></select></label>
<details id="given" class="given"><summary>${m('imagesOwn')}</summary>
<p>${m('imagesOwnText')}</p>
<p class="file"><label for="given-folder">${m('imagesFolder')}</label> <input id="given-folder" type="file" webkitdirectory multiple></p>
<p class="file"><label for="given-cifar">${m('imagesCifar')}</label> <input id="given-cifar" type="file" accept=".gz,.tgz,.tar,.bin,.txt" multiple></p>
<p><button id="given-none" type="button">${m('imagesBack')}</button></p></details>
<p id="status" role="status">${m('ready')}</p>
</form>
<dl class="card stats">
<div><dt>${m('statError')}</dt><dd id="stat-error">–</dd></div>
<div><dt>${m('statSeen')}</dt><dd id="stat-seen">0</dd></div>
<div><dt>${m('statRate')}</dt><dd id="stat-rate">–</dd></div>
<div><dt>${m('statPeak')}</dt><dd id="stat-peak">–</dd></div>
<div><dt>${m('statCrossed')}</dt><dd id="stat-crossed" class="crossed">0 B</dd></div>
</dl>
<div class="card">
<h3>${m('kernelsTitle')}</h3>
<p>${m('kernelsText')}</p>
<div class="towers">
<figure class="tower-0"><canvas id="kernels-0" class="tiles" width="47" height="15" role="img" data-label="kernelsOne" aria-label="${m.plain('kernelsOne')}"></canvas><figcaption id="kernels-0-caption">${m('towerOne')}</figcaption></figure>
<figure class="tower-1"><canvas id="kernels-1" class="tiles" width="47" height="15" role="img" data-label="kernelsTwo" aria-label="${m.plain('kernelsTwo')}"></canvas><figcaption id="kernels-1-caption">${m('towerTwo')}</figcaption></figure>
</div>
</div>
<div class="card">
<h3>${m('placementTitle')}</h3>
<p>${m('placementText')}</p>
<div id="placement" class="placement"></div>
<p id="placement-note" class="hint">${m('placementNote')}</p>
</div>
<div class="columns">
<div class="card"><h3>${m('errorTitle')}</h3><div id="error-chart" class="chart"></div></div>
<div class="card"><h3>${m('lossTitle')}</h3><div id="loss-chart" class="chart"></div></div>
</div>
<div class="columns">
<div class="card"><h3>${m('samplesTitle')}</h3><div id="samples" class="samples"></div></div>
<div class="card"><h3>${m('drawTitle')}</h3>
<div class="draw"><div class="sheet"><canvas id="draw" width="32" height="32" tabindex="0" role="application" data-label="drawLabel" aria-label="${m.plain('drawLabel')}"></canvas><span id="draw-pen" aria-hidden="true"></span></div>
<div id="draw-answers" class="answers" aria-live="polite"></div></div>
<p class="buttons"><button id="draw-clear" type="button">${m('drawClear')}</button> <button id="draw-example" type="button">${m('drawExample')}</button></p>
</div>
</div>
<p id="fingerprint" class="hint print">${m('fingerprintHint')}</p>
</section>`;
