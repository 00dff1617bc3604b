import { config } from 'zod';

// The page's content security policy forbids code from strings, which zod tries as soon as a schema is made: import
// this file before any schema.
config({ jitless: true });
