export { layout, index, scan } from './search'
export { resume, modeAfter, outerAfter, spacedAfter, keptBytes, runRows, view } from './view'
