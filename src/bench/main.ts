import { DcnetError } from '../core/errors.js';
import { benchCommand } from './command.js';
import { cnn9, resnet32, sample } from './networks.js';

const networks = {
  sample,
  small: cnn9([32, 64, 128]),
  large: cnn9([64, 128, 256]),
  resnet: resnet32([96, 192, 384]),
};

benchCommand(networks)
  .parseAsync()
  .catch((thrown: unknown) => {
    process.stderr.write(`${thrown instanceof DcnetError ? thrown.describe() : (thrown as Error).stack}\n`);
    process.exitCode = 1;
  });
