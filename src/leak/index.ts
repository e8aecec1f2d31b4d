/**
 * The leak check and the redactor, without the rest: what `traceless/leak` exports.
 *
 * @packageDocumentation
 */

export { FORMS, type FormName } from './forms.js'
export { needlesFor, NeedleSet, type Guarded, type Needle, type TooShort } from './needles.js'
export { Matcher, type Hit } from './match.js'
export { Redactor, redactText, type RedactOptions } from './redact.js'
export { createRedactStream, redact } from './redact-stream.js'
