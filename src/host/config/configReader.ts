import path from 'node:path';
import * as vscode from 'vscode';
import type { DataConfig } from '../../core/config/dataSchema.js';
import type { ImageShape } from '../../core/config/network.js';
import { type ParsedConfig, parseConfig } from '../../core/config/parse.js';
import { bundledData } from '../../core/data/bundled.js';
import { asDcnetError, type ErrorDetails } from '../../core/errors.js';
import type { DataInfo } from '../../protocol/engine.js';
import { Owner } from '../lifecycle.js';
import { isRunCopy } from './configFiles.js';

/** What is known of a config's images: their form, or why it is not known. */
type KnownData = { readonly shape: ImageShape; readonly classes: number } | { readonly error: ErrorDetails };

export interface CheckedConfig extends ParsedConfig {
  /** What is wrong with the data set, where the config itself is right. */
  readonly dataError: ErrorDetails | undefined;
}

/** Asks the engine for shape and classes of the data of a config. */
export type DescribeData = (configFile: string, configText: string) => Promise<DataInfo>;

/** Reads configs as they stand in the editor; each version of a text is parsed once. */
export class ConfigReader extends Owner {
  readonly #parsed = new WeakMap<vscode.TextDocument, { version: number; parsed: ParsedConfig }>();
  readonly #data = new Map<string, Promise<KnownData>>();

  constructor(private readonly describeData: DescribeData) {
    super();
    // The files of a data set may have come meanwhile: a saved config is a reason to look again.
    this._register(vscode.workspace.onDidSaveTextDocument(() => this.#data.clear()));
  }

  /** Syntax, fields and layers, without the data set. */
  parse(document: vscode.TextDocument): ParsedConfig {
    const known = this.#parsed.get(document);
    if (known?.version === document.version) return known.parsed;
    const parsed = parseConfig(document.getText());
    this.#parsed.set(document, { version: document.version, parsed });
    return parsed;
  }

  /** Everything, the layers' shapes included: these need the data set, whose files the engine looks into. */
  async check(document: vscode.TextDocument): Promise<CheckedConfig> {
    const parsed = this.parse(document);
    if (parsed.config === undefined) return { ...parsed, dataError: undefined };
    const text = document.getText();
    const data = await this.#knownData(document.uri, parsed.config.data, text);
    if (data === undefined) return { ...parsed, dataError: undefined };
    if ('error' in data) return { ...parsed, dataError: data.error };
    return { ...parseConfig(text, data), dataError: undefined };
  }

  async #knownData(config: vscode.Uri, data: DataConfig, text: string): Promise<KnownData | undefined> {
    if ('dataset' in data) return bundledData[data.dataset];
    // A run's copy does not lie where its data path starts.
    if (!vscode.workspace.isTrusted || isRunCopy(config)) return undefined;
    const key = JSON.stringify([path.dirname(config.fsPath), data]);
    let known = this.#data.get(key);
    if (known === undefined) {
      known = this.describeData(config.fsPath, text).catch((thrown: unknown) => ({
        error: asDcnetError(thrown).details,
      }));
      this.#data.set(key, known);
    }
    return known;
  }
}
