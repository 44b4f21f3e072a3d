/**
 * The fifth section: what this machine gives, measured.
 */
import { markup as m } from '../../page/markup.js';

/** The section as markup. */
export const machineMarkup = (): string => `
<section id="machine" aria-labelledby="machine-title">
<h2 id="machine-title">${m('machineTitle')}</h2><p>${m('machineText')}</p>
<div class="card"><p class="buttons"><label>${m('deviceLabel')} <select id="machine-device"><option value="cpu" data-t="deviceAll">${m.plain('deviceAll')}</option></select></label> <button id="machine-go" type="button">${m('machineGo')}</button> <button id="machine-copy" type="button" disabled>${m('machineCopy')}</button></p>
<p id="machine-state" role="status">${m('machineIdle')}</p>
<div id="roofline" class="roofline"></div>
<p class="hint">${m('machineLegend')}</p>
<div class="scroll" tabindex="0" role="group" aria-label="${m.plain('machineTable')}" data-label="machineTable"><table><thead><tr><th scope="col">${m('machineKernel')}</th><th scope="col">ms</th><th scope="col">GFLOP/s</th><th scope="col">GB/s</th><th scope="col">${m('machineShare')}</th></tr></thead><tbody id="machine-rows"></tbody></table></div></div>
</section>`;
