/**
 * The public API: re-exports, nothing else.
 *
 * @packageDocumentation
 */

export { Fault, FAULTS, problemText, type FaultCode, type FaultDetail, type Problem } from './errors.js'
export {
  isSecretName,
  MAX_VALUE_BYTES,
  secretName,
  SecretValue,
  type SecretName,
  type SecretSet,
} from './secret.js'

export {
  createBuilder,
  type BuildControls,
  type Builder,
  type BuilderParts,
  type BuildResult,
} from './builder/build.js'
export type { BuilderEvent, Listener, Phase } from './builder/events.js'
export type {
  BuildOptions,
  BuildRequest,
  DockerfileRequest,
  ImageSink,
  RequirementsRequest,
  SecretSource,
} from './builder/request.js'
export type { Pushed } from './builder/publish.js'
export type { RetiredMounts } from './builder/refusal.js'
export type { Report, ReportFinding, ReportLayer, ReportUnread, Verdict } from './builder/report.js'
export { proveImage, scanImage, type ScanRequest, type ScanSubject } from './builder/scan-image.js'

export { openBuilder } from './docker/buildkit-engine.js'
export { openEngine, type EngineOptions } from './docker/docker-engine.js'
export { dockerCredentials } from './docker/credentials.js'
export type { Engine, EngineInfo, ImageFacts, SecretSession } from './docker/engine.js'

export {
  resolveRequirements,
  type Delivery,
  type DeliveryChoice,
  type DeliveryMount,
} from './substitute/index.js'
export { createRedactStream, needlesFor, redact, Redactor, redactText, type NeedleSet } from './leak/index.js'

export { openStore, type Store, type StoreOptions } from './store/open.js'
export type { HeldSecret, ReadScope, SecretReader, UsageRecord, UsageRecorder } from './store/store.js'
export type {
  ChangeReport,
  EnvironmentEntry,
  GroupEntry,
  HistoryEntry,
  SecretEntry,
  UsageEntry,
  VersionEntry,
} from './store/admin.js'
export type { Client, ClientOptions } from './store/client.js'
export { SecretGroup, type GivenSecrets, type GivenValue, type NamedSecrets } from './store/secret-group.js'

export { createClient, type ServerClient, type ServerClientOptions } from './remote/client.js'
export type {
  BuildOutput,
  BuildQuery,
  BuildState,
  RemoteBuild,
  RemoteBuilds,
  Submission,
  WatchOptions,
} from './remote/builds.js'
