// The door of the database of advisories.
export { type AdvisoryDatabase, type ImportedPart, importAdvisories, openAdvisories } from './database.ts';
