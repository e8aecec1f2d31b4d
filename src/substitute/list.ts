/**
 * What is known of a requirement list once it was read: types only. Nothing in
 * here is a value.
 *
 * @packageDocumentation
 */

import type { Problem } from '../errors.js'
import type { SecretName } from '../secret.js'

/**
 * Where a placeholder may stand. `user-info`, `path` (a segment) and `query` (a value) are parts of a URL, `option`
 * is the value of `--config-settings`.
 */
export type Position = 'user-info' | 'path' | 'query' | 'option'

/** A place in a file. Lines and columns count from 1, lines as pip counts them; a column counts UTF-16 units. */
export interface Place {
  /** The file as the user knows it. */
  readonly file: string
  readonly line: number | undefined
  readonly column: number | undefined
}

/** A name where it is written. */
export interface Mention extends Place {
  readonly name: SecretName
}

/** A placeholder that stands where one may stand. */
export interface Placeholder extends Mention {
  readonly position: Position
  /** Written with `|raw`: the value is percent-encoded already. */
  readonly raw: boolean
}

/** A change of a file: the text at `[from, to)`, in UTF-16 units, gives way to `text`. */
export interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** Who speaks to the server: git, pip itself (indexes, file links, archives), or another program. */
export type Client = 'git' | 'pip' | 'other'

/** The place of one value in a file: the placeholder's own range, in UTF-16 units. */
export interface Slot extends Placeholder {
  /** Key of the file in {@link RequirementList.files}. */
  readonly path: string
  readonly from: number
  readonly to: number
}

/** A piece of a user-info: text of the list, percent-encoded as it stands there, or a value. */
export type LoginPart = string | Slot

/** The user-info of a URL that has a placeholder. */
export interface Login {
  /** Key of the file in {@link RequirementList.files}. */
  readonly path: string
  /** The range to take out for a URL without credentials: the user-info and its `@`. */
  readonly from: number
  readonly to: number
  readonly user: readonly LoginPart[]
  /** `undefined` where there is no `:`. */
  readonly password: readonly LoginPart[] | undefined
  readonly client: Client
  /** `scheme://host[:port]`, in lower case, without `git+` and the scheme's own port. */
  readonly origin: string
  /** In lower case, without the port. */
  readonly host: string
  /** Segments of the path up to the first that is not plain text, without Git's revision. */
  readonly segments: readonly string[]
}

/** A requirement that names its source by a URL. */
export interface DirectRequirement extends Place {
  /** Key of the file in {@link RequirementList.files}. */
  readonly path: string
  /** Offsets at which the physical lines of the requirement begin. */
  readonly lineStarts: readonly number[]
  /** In lower case, `git+https` for instance. */
  readonly scheme: string
  /** The URL as it is written, without its fragment and without a user-info that has a placeholder. */
  readonly url: string
  /** Last segment of the path. */
  readonly archive: string
  /** As written before the `@`, or behind `egg=`. */
  readonly name: string | undefined
  /** Separated by commas. */
  readonly extras: string
  readonly marker: string
  readonly subdirectory: string
  readonly editable: boolean
  /** Options stand behind it. */
  readonly hasOptions: boolean
  /** It stands in a list that only constrains. */
  readonly constrains: boolean
}

/** One file of a list. */
export interface ListFile {
  /** Relative to the context root, `/`-separated. */
  readonly path: string
  readonly text: string
  /** As it was read; `undefined` for a list that was made from strings. */
  readonly bytes: Uint8Array | undefined
  /** UTF-8 without a byte order mark. */
  readonly plain: boolean
  /** Changes that are made whatever the delivery: the dollars written twice. */
  readonly escapes: readonly Edit[]
}

/** A requirement list with all the files it names, read and understood. Holds no value. */
export interface RequirementList {
  /** Path of the first file. For strings and for a `pyproject.toml`, of the list that is made from them. */
  readonly root: string
  /** All files by path, each once, in the order in which pip meets them. */
  readonly files: ReadonlyMap<string, ListFile>
  /** Names of all placeholders, in the order of the text. */
  readonly names: ReadonlySet<SecretName>
  /** Placeholders where one may stand, in the order of the text. */
  readonly placeholders: readonly Slot[]
  /** All placeholders in the order of the text, those too that stand in a wrong place and have a problem for it. */
  readonly mentions: readonly Mention[]
  /** Everything that is wrong, in the order of the text. */
  readonly problems: readonly Problem[]
  /** Relative paths among the requirements: for an image that holds the lists and nothing else, each is a problem. */
  readonly localPaths: readonly Problem[]
  /** Some requirement is fetched by git. */
  readonly needsGit: boolean
  /** Some line is `-e`. */
  readonly hasEditable: boolean
  /** Where the editable lines are. */
  readonly editables: readonly Place[]
  /**
   * URLs with a password that is written in the list itself. They are the user's own text: left as they are, not
   * lifted, not searched for. Worth a warning.
   */
  readonly literalPasswords: readonly Place[]
  /** Requirements that name their source by a URL. */
  readonly directs: readonly DirectRequirement[]
  /** User-infos with a placeholder. */
  readonly logins: readonly Login[]
  /** Hosts that the list sends pip itself to, with credentials or without, and the origins at each. */
  readonly pipOrigins: ReadonlyMap<string, ReadonlySet<string>>
  /** The same for git. */
  readonly gitOrigins: ReadonlyMap<string, ReadonlySet<string>>
}
