import type { ErrorDetails } from '../../../../src/core/errors.js';

/** What a test makes the host of any panel tell; what a panel knows nothing of does nothing. */
export interface PanelHost {
  show(view: unknown): void;
  selectLayer(layer: string): void;
  fail(error: ErrorDetails): void;
}

/** Keeps a request for the test, and gives the answer or fails as the test wants. */
export type Answer = <T>(name: string, params: unknown, result: T) => T;
