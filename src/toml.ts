/**
 * TOML texts. The owner of smol-toml, whose errors quote the text and
 * therefore end here.
 *
 * Floor 0: imports nothing of ours.
 *
 * @packageDocumentation
 */

import { parse, TomlError } from 'smol-toml'

/** A table: names and values of any kind. */
export type TomlTable = Readonly<Record<string, unknown>>

/** A document, or the place where it stops to be one; lines and columns count from 1. */
export type TomlDocument =
  { readonly table: TomlTable } | { readonly table: null; readonly line: number; readonly column: number }

/** Reads a document (https://toml.io/en/v1.0.0). */
export function readToml(text: string): TomlDocument {
  try {
    return { table: parse(text) }
  } catch (error) {
    if (error instanceof TomlError) return { table: null, line: error.line, column: error.column }
    throw error
  }
}

/** Whether a value is a table. */
export const isTomlTable = (value: unknown): value is TomlTable =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
