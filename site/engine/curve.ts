/**
 * Curves of runs however long: when there are too many points, every second one of training goes.
 */
import type { CurvePoint } from './messages.js';

const most = 3000;

/** Adds a point at the end. */
export function add(curve: CurvePoint[], point: CurvePoint): void {
  curve.push(point);
  if (curve.length <= most) return;
  const kept = curve.filter(({ validation }, i) => validation !== undefined || i % 2 === 0);
  curve.splice(0, curve.length, ...kept);
}
