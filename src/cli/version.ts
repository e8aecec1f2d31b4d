/**
 * The version of the program. A test compares it with the package's.
 *
 * @packageDocumentation
 */

/** As in package.json. */
export const VERSION = '0.1.0'
