import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { editorJsonSchema } from '../../src/core/config/editorSchema.js';

const accepts = new Ajv({ strict: false }).compile(editorJsonSchema());

describe('the editor’s schema', () => {
  it('leaves mistakes to the config’s own check, so that each is told once', () => {
    expect(accepts({ data: { dataset: 'fashon' }, layers: [{ type: 'dense', unit: 10 }], epocs: 3 })).toBe(
      true,
    );
    expect(accepts({ operator: { magnitude: 'tanhh', rho: -1 }, layers: 5 })).toBe(true);
  });

  it('knows the types of layers, which decide what is offered', () => {
    expect(accepts({ layers: [{ type: 'cnov' }] })).toBe(false);
    expect(accepts({ layers: [{ type: 'conv' }] })).toBe(true);
  });

  it('knows the presets, whose names decide what is offered', () => {
    expect(accepts({ layers: { preset: 'cnn-9', width: 3 } })).toBe(true);
    expect(accepts({ layers: { preset: 'cnn-8' } })).toBe(false);
    expect(accepts({ layers: 'cnn-9' })).toBe(true);
  });

  it('still offers values and explains fields', () => {
    expect(editorJsonSchema()).toMatchObject({
      properties: {
        operator: {
          anyOf: [
            {
              properties: {
                magnitude: {
                  description: expect.stringContaining('Magnitude function'),
                  anyOf: [{ enum: expect.arrayContaining(['tanh', 'ball']) }, {}],
                },
              },
            },
            { const: 'inner-product' },
          ],
        },
      },
    });
  });
});
