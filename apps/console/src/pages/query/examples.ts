/** Queries to start from; each runs on any pod, and answers something once posts have been imported. */
export const EXAMPLES: { name: string; about: string; q: string }[] = [
  {
    name: 'Newest posts',
    about: 'A join, an order and a limit.',
    q: `[:find ?post ?created ?text
 :where [?post "social/created" ?created]
        [?post "social/text" ?text]
 :order [[?created :desc]]
 :limit 20]`,
  },
  {
    name: 'What is in here',
    about: 'Every attribute and how many entities have it.',
    q: `[:find ?attribute (count ?entity)
 :where [?entity ?attribute _]
 :order [[1 :desc]]]`,
  },
  {
    name: 'Who can see how much',
    about: 'Posts by audience.',
    q: `[:find ?audience (count ?post)
 :where [?post "social/audience" ?audience]]`,
  },
  {
    name: 'Pictures without a description',
    about: 'Negation: media nobody described yet.',
    q: `[:find ?post ?media
 :where [?post "social/media" ?media]
        [?media "is-photo" true]
        (not [?media "social/alt" _])]`,
  },
  {
    name: 'Threads',
    about: 'A recursive rule: everything under one post.',
    q: `[:find ?root ?reply
 :where (under ?reply ?root)
        (not [?root "social/reply-to" _])
 :rules [[(under ?a ?b) [?a "social/reply-to" ?b]]
         [(under ?a ?b) [?a "social/reply-to" ?c] (under ?c ?b)]]]`,
  },
  {
    name: 'Posts with their pictures',
    about: 'A pull: whole entities, nested.',
    q: `[:find (pull ?post ["social/text" {"social/media" ["social/alt" "social/mime"]}])
 :where [?post "social/media" _]
 :limit 10]`,
  },
  {
    name: 'Nested (IQL)',
    about: 'In JSON: the shape you ask is the shape you get.',
    q: `{
  "post": {
    "$": {
      "where": { "audience": "public" },
      "order": { "created": "desc" },
      "limit": 10,
      "fields": ["text", "created"]
    },
    "author": { "$": { "fields": ["name"] } },
    "media": {}
  }
}`,
  },
]
