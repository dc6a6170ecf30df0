// The door of the supply chain: what an image is made of, who says so, and whether it may run.
export { makeSbom, type SbomSubject } from './sbom.ts';
