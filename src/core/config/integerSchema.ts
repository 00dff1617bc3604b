import * as z from 'zod';

export const positiveInteger = z.number().int().positive();
