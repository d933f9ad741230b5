/**
 * The pages of administrators, in the order of the panel's list. That list, in src/pages/index.ts, imports pages that need
 * a browser, which a test's own process has not; src/router.test.ts compares the two.
 */
export const ADMIN_PATHS = ['/api', '/manage', '/enrol', '/users'];
