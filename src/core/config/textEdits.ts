import { createScanner, type Edit, findNodeAtLocation, type Node, parseTree } from 'jsonc-parser';
import type { ConfigChange, ConfigFix, ConfigPath, Json } from './fix.js';

/**
 * The edits of a config's text that a fix asks for, in order of their place and apart from each other. Comments and the
 * layout of what stays are kept (`jsonc-parser`'s own `modify` sets whole layers out anew).
 */
export function textEdits(text: string, fix: ConfigFix): readonly Edit[] {
  const root = parseTree(text, [], { allowTrailingComma: true });
  return fix.changes
    .flatMap((change) => editsOf(new Layout(text), root, change))
    .sort((a, b) => a.offset - b.offset || b.length - a.length);
}

function editsOf(layout: Layout, root: Node | undefined, change: ConfigChange): readonly Edit[] {
  if (change.kind === 'type') return [{ offset: change.offset, length: 0, content: change.text }];
  if (root === undefined) return [];
  switch (change.kind) {
    case 'set':
      return set(layout, root, change.path, change.value);
    case 'rename': {
      const key = findNodeAtLocation(root, [...change.path])?.parent?.children?.[0];
      return key === undefined ? [] : [replace(key, JSON.stringify(change.to))];
    }
    case 'remove': {
      const node = findNodeAtLocation(root, [...change.path]);
      if (node === undefined) return [];
      if (node.parent?.type === 'property') return remove(layout, [node.parent]);
      const elements = node.parent?.children ?? [];
      const first = elements.indexOf(node);
      return remove(layout, elements.slice(first, first + (change.count ?? 1)));
    }
    case 'list': {
      const node = findNodeAtLocation(root, [...change.path]);
      return node === undefined ? [] : [replace(node, layout.list(node, change.values.map(print)))];
    }
    case 'insert': {
      const list = findNodeAtLocation(root, change.path.slice(0, -1));
      const index = change.path.at(-1);
      if (list?.type !== 'array' || typeof index !== 'number') return [];
      return insert(layout, list, index, change.values);
    }
  }
}

function set(layout: Layout, root: Node, path: ConfigPath, value: Json): readonly Edit[] {
  const node = findNodeAtLocation(root, [...path]);
  if (node !== undefined) return [replace(node, print(value))];
  const around = path.slice(0, -1);
  const key = path.at(-1);
  if (typeof key !== 'string') return [];
  const parent = findNodeAtLocation(root, around);
  if (parent === undefined) return set(layout, root, around, { [key]: value });
  const property = `${JSON.stringify(key)}: ${print(value)}`;
  const last = parent.children?.at(-1);
  if (last === undefined)
    return [{ offset: parent.offset + 1, length: 0, content: layout.alone(parent, property) }];
  return [{ offset: endOf(last), length: 0, content: `,${layout.gapBefore(last)}${property}` }];
}

function insert(layout: Layout, list: Node, index: number, values: readonly Json[]): readonly Edit[] {
  const elements = list.children ?? [];
  const printed = values.map(print);
  const next = elements[index];
  const last = elements.at(-1);
  if (next !== undefined) {
    const gap = layout.gapBefore(next);
    return [{ offset: next.offset, length: 0, content: printed.map((value) => `${value},${gap}`).join('') }];
  }
  if (last === undefined)
    return [{ offset: list.offset + 1, length: 0, content: layout.alone(list, printed.join(', ')) }];
  const gap = layout.gapBefore(last);
  return [{ offset: endOf(last), length: 0, content: printed.map((value) => `,${gap}${value}`).join('') }];
}

/** Take a property, or elements that follow each other, out, with the comma that is then too many. Comments stay. */
function remove(layout: Layout, nodes: readonly Node[]): readonly Edit[] {
  const siblings = nodes[0]?.parent?.children ?? [];
  const before = siblings[siblings.indexOf(nodes[0]!) - 1];
  const deletions = nodes.flatMap((node) => {
    const comma = layout.commaAfter(endOf(node));
    if (comma !== undefined) return [layout.deletion(node.offset, comma + 1, 'forward')];
    const commaBefore = before === undefined ? undefined : layout.commaAfter(endOf(before));
    return [
      ...(commaBefore === undefined ? [] : [{ offset: commaBefore, length: 1, content: '' }]),
      layout.deletion(node.offset, endOf(node), 'backward'),
    ];
  });
  return apart(deletions);
}

/** Deletions that overlap (of neighbours that both take the space between them) as one. */
function apart(deletions: readonly Edit[]): readonly Edit[] {
  const joined: Edit[] = [];
  for (const edit of [...deletions].sort((a, b) => a.offset - b.offset)) {
    const last = joined.at(-1);
    if (last === undefined || edit.offset >= last.offset + last.length) joined.push({ ...edit });
    else last.length = Math.max(last.length, edit.offset + edit.length - last.offset);
  }
  return joined;
}

/** How a text is set out. */
class Layout {
  constructor(private readonly text: string) {}

  /** Offset of the comma that is the next token, if it is one. */
  commaAfter(offset: number): number | undefined {
    const scanner = createScanner(this.text, true);
    scanner.setPosition(offset);
    scanner.scan();
    const next = scanner.getTokenOffset();
    return this.text[next] === ',' ? next : undefined;
  }

  /** What stands between an item and a new one beside it: a line break where it has a line of its own. */
  gapBefore(node: Node): string {
    const indent = this.#indentOf(node.offset);
    return indent === undefined ? ' ' : `${this.text.includes('\r\n') ? '\r\n' : '\n'}${indent}`;
  }

  /** The only item of what was empty: `{}` takes a space on either side, `{ }` has one already. */
  alone(container: Node, item: string): string {
    const inside = this.text.slice(container.offset + 1, endOf(container) - 1);
    if (container.type === 'array') return item;
    return inside === '' ? ` ${item} ` : ` ${item}`;
  }

  /** A list in the place of a property's value, an element a line where the property has a line of its own. */
  list(node: Node, elements: readonly string[]): string {
    const indent = this.#indentOf((node.parent ?? node).offset);
    if (indent === undefined) return `[${elements.join(', ')}]`;
    const end = this.text.includes('\r\n') ? '\r\n' : '\n';
    const deeper = indent + (indent === '' ? '  ' : indent.slice(0, indent.startsWith('\t') ? 1 : undefined));
    return `[${end}${elements.map((element) => deeper + element).join(`,${end}`)}${end}${indent}]`;
  }

  /** Delete a stretch and the space that it leaves; its whole line where nothing else is on it. */
  deletion(from: number, to: number, side: 'forward' | 'backward'): Edit {
    const ownLine = this.#indentOf(from) !== undefined;
    const rest = /^[^\S\n]*(\r?\n|$)/.exec(this.text.slice(to));
    const lineStart = this.text.lastIndexOf('\n', from - 1) + 1;
    if (ownLine && rest !== null) {
      const whole = side === 'forward' || lineStart === 0;
      const start = whole ? lineStart : lineStart - (this.text[lineStart - 2] === '\r' ? 2 : 1);
      const end = to + (whole ? rest[0].length : rest[0].replace(/\r?\n$/, '').length);
      return { offset: start, length: end - start, content: '' };
    }
    if (side === 'forward' || ownLine) {
      const space = side === 'forward' ? /^[^\S\n]*/.exec(this.text.slice(to))![0].length : 0;
      return { offset: from, length: to + space - from, content: '' };
    }
    const space = /[^\S\n]*$/.exec(this.text.slice(0, from))![0].length;
    return { offset: from - space, length: to - from + space, content: '' };
  }

  /** White space before the first thing on a line; undefined where something else stands before it. */
  #indentOf(offset: number): string | undefined {
    const before = this.text.slice(this.text.lastIndexOf('\n', offset - 1) + 1, offset);
    return /^\s*$/.test(before) ? before : undefined;
  }
}

function endOf({ offset, length }: Node): number {
  return offset + length;
}

function replace({ offset, length }: Node, content: string): Edit {
  return { offset, length, content };
}

/** JSON on one line, with the spaces that people write. */
function print(value: Json): string {
  if (typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(print).join(', ')}]`;
  const fields = Object.entries(value as { readonly [key: string]: Json });
  if (fields.length === 0) return '{}';
  return `{ ${fields.map(([key, inner]) => `${JSON.stringify(key)}: ${print(inner)}`).join(', ')} }`;
}
