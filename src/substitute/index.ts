/**
 * Secrets in pip requirement lists: placeholders, where they may stand, and how
 * their values reach pip. The package's export `traceless/substitute`.
 *
 * {@link resolveRequirements} is the whole of it; {@link parseRequirements},
 * {@link planDelivery} and {@link deliver} are its stages, of which only the
 * last one sees a value.
 *
 * @packageDocumentation
 */

export {
  deliver,
  resolveRequirements,
  type Delivery,
  type DeliveryMount,
  type DeliveryTarget,
} from './deliver.js'
export type {
  Client,
  DirectRequirement,
  Edit,
  ListFile,
  Login,
  LoginPart,
  Mention,
  Place,
  Placeholder,
  Position,
  RequirementList,
  Slot,
} from './list.js'
export { splitPlaceholders, type Piece } from './placeholder.js'
export { planDelivery, type Carrier, type DeliveryChoice, type DeliveryPlan, type GitReader } from './plan.js'
export { MADE_LIST, parseRequirements, type ListSource, type ReadListFile } from './requirements.js'
export { requireSound, unknownNames } from './soundness.js'
