/**
 * One suite for every data path; a test file calls it with a factory.
 *
 *     dataPathConformance('mine', { client: () => createMyDataPath() })
 */
export {
  type DataPathFactories,
  dataPathConformance,
  dataPathEndurance,
  dataPathIntegration
} from './data-path-conformance.ts'
export { createHboneDataPath, type HboneDataPathOptions } from './hbone-data-path/hbone-data-path.ts'
