/** The questions the timeline asks. Each is live: the page never asks twice. */

/** Every post with its time and kind: the skeleton that pieces, counts and the jump list are made of. */
export const ALL_POSTS = `[:find ?post ?created ?type
 :where [?post "social/created" ?created]
        [?post "social/type" ?type]
        [?post "social/author" _]]`

export const POSTS_OF_AUTHOR = `[:find ?post ?created ?type
 :in $ ?author
 :where [?post "social/author" ?author]
        [?post "social/created" ?created]
        [?post "social/type" ?type]]`

/** Which posts carry media. */
export const WITH_MEDIA = `[:find ?post
 :where [?post "social/media" _]]`

/** Whose posts these are, to choose the profile that heads the page. */
export const AUTHORS = `[:find ?author (count ?post)
 :where [?post "social/author" ?author]]`
