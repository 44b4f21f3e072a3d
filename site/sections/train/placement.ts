/**
 * The paper's Figure 2, alive: the layers on their towers, and on each crossing the bytes that went across so far. In
 * wide places the towers lie, one above the other; in narrow ones they stand side by side.
 */
import type { LayerFigure, RunFacts } from '../../engine/messages.js';
import type { Crossed } from '../../engine/session.js';
import { setText, svgElement } from '../../page/dom.js';
import { say } from '../../page/language.js';

/** 1,234,567 as 1.23 MB. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** A way to put layer `i`, tower `t` on the plane. */
interface Plan {
  readonly width: number;
  readonly height: number;
  readonly box: { readonly width: number; readonly height: number };
  /** Upper left corner of a box. */
  at(layer: number, tower: number): readonly [x: number, y: number];
}

const lying = (layers: number): Plan => {
  const step = 1040 / layers;
  return {
    width: 1040,
    height: 230,
    box: { width: step - 36, height: 62 },
    at: (layer, tower) => [layer * step + 34, 14 + tower * 126],
  };
};

const standing = (layers: number): Plan => ({
  width: 340,
  height: layers * 78 + 4,
  box: { width: 124, height: 44 },
  at: (layer, tower) => [6 + tower * 204, 26 + layer * 78],
});

/** The drawing. */
export class PlacementFigure {
  private readonly sums = new Map<string, number>();
  private readonly counters = new Map<string, SVGElement>();
  private facts: RunFacts | null = null;
  private narrow = false;
  /** How often the crossings have moved on. */
  private phase = 0;

  constructor(private readonly holder: HTMLElement) {
    new ResizeObserver(() => {
      if (this.facts && this.narrow !== this.isNarrow()) this.draw();
    }).observe(holder);
  }

  /** Shows a run from its beginning. */
  show(facts: RunFacts): void {
    this.facts = facts;
    this.sums.clear();
    this.draw();
  }

  /** Adds what crossed, and lets the crossings move on a step: an animation would draw all the time. */
  add(crossed: readonly Crossed[]): void {
    for (const { layer, from, bytes } of crossed) {
      const key = `${layer} ${from}`;
      this.sums.set(key, (this.sums.get(key) ?? 0) + bytes);
    }
    this.fill();
    if (crossed.length === 0) return;
    this.phase++;
    this.holder.style.setProperty('--phase', String(this.phase));
  }

  /** All bytes so far. */
  get total(): number {
    return [...this.sums.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  private isNarrow(): boolean {
    return this.holder.clientWidth < 640;
  }

  /** Draws all anew, in the chosen language. */
  draw(): void {
    const { facts } = this;
    if (!facts) return;
    this.narrow = this.isNarrow();
    const plan = (this.narrow ? standing : lying)(facts.layers.length);
    const svg = svgElement('svg', {
      viewBox: `0 0 ${plan.width} ${plan.height}`,
      role: 'img',
      'aria-label': say('placementLabel'),
    });
    this.counters.clear();
    for (const tower of facts.layers[0]?.kernels.keys() ?? []) this.nameTower(svg, plan, tower);
    for (const [i, layer] of facts.layers.entries()) {
      if (i > 0) this.drawLinks(svg, plan, i, facts);
      for (const [tower, kernels] of layer.kernels.entries()) {
        if (kernels > 0) drawBox(svg, plan, layer, i, tower);
      }
      const [x, y] = plan.at(i, 0);
      if (this.narrow) svg.append(text(layer.name, 168, y + 26, 'head'));
      else svg.append(text(layer.name, x + plan.box.width / 2, plan.height - 2, 'head'));
    }
    svg.append(...this.counters.values()); // above the lines
    this.holder.replaceChildren(svg);
    this.fill();
  }

  private nameTower(svg: SVGElement, plan: Plan, tower: number): void {
    const [x, y] = plan.at(0, tower);
    const { width, height } = plan.box;
    const name = say(tower === 0 ? 'towerOne' : 'towerTwo');
    if (this.narrow) {
      svg.append(text(name, x + width / 2, y - 8, `head tower-${tower}`));
      return;
    }
    const label = text(name, 0, 0, `head tower-${tower}`);
    label.setAttribute('transform', `translate(${x - 12} ${y + height / 2}) rotate(-90)`);
    svg.append(label);
  }

  private drawLinks(svg: SVGElement, plan: Plan, i: number, { layers, devices }: RunFacts): void {
    const [here, before] = [layers[i]!, layers[i - 1]!];
    for (const [to, kernels] of here.kernels.entries()) {
      for (const [from, sources] of before.kernels.entries()) {
        if (kernels === 0 || sources === 0 || (from !== to && here.reads === 'own')) continue;
        const crosses = from !== to && devices.length > 1;
        svg.append(svgElement('path', { d: this.link(plan, i, from, to), class: crosses ? 'cross' : 'own' }));
        if (!crosses) continue;
        const counter = text('', ...this.counterPlace(plan, i, from), from === 0 ? 'bytes' : 'bytes back');
        this.counters.set(`${here.name} ${from}`, counter);
      }
    }
  }

  private link(plan: Plan, i: number, from: number, to: number): string {
    const [x1, y1] = plan.at(i - 1, from);
    const [x2, y2] = plan.at(i, to);
    const { width, height } = plan.box;
    return this.narrow
      ? `M${x1 + width / 2} ${y1 + height} L${x2 + width / 2} ${y2}`
      : `M${x1 + width} ${y1 + height / 2} L${x2} ${y2 + height / 2}`;
  }

  private counterPlace(plan: Plan, i: number, from: number): [number, number] {
    const [x, y] = plan.at(i, 0);
    if (this.narrow) return [168, y - 20 + from * 14];
    return [x - 18, y + plan.box.height + (from === 0 ? 22 : 50)];
  }

  private fill(): void {
    for (const [key, counter] of this.counters) {
      const arrow = key.endsWith('0') ? (this.narrow ? '→' : '↓') : this.narrow ? '←' : '↑';
      setText(counter, `${arrow} ${bytesText(this.sums.get(key) ?? 0)}`);
    }
  }
}

function drawBox(svg: SVGElement, plan: Plan, layer: LayerFigure, i: number, tower: number): void {
  const [x, y] = plan.at(i, tower);
  const { width, height } = plan.box;
  svg.append(svgElement('rect', { x, y, width, height, rx: 7, class: `box tower-${tower}` }));
  const kernels = layer.kernels[tower] ?? 0;
  const { kernel, size } = layer;
  const first = kernel ? say('kernelsOfLayer', { n: kernels }) : say('unitsOfLayer', { n: kernels });
  const second = kernel ? `${kernel}×${kernel} → ${size}×${size}` : '';
  const middle = x + width / 2;
  svg.append(text(first, middle, y + height / 2 + (second ? -3 : 4), 'in'));
  if (second) svg.append(text(second, middle, y + height / 2 + 13, 'in small'));
}

function text(content: string, x: number, y: number, kind: string): SVGElement {
  const made = svgElement('text', { x, y, 'text-anchor': 'middle', class: kind });
  made.textContent = content;
  return made;
}
