-- What a run whose links were learnt has found out about itself: text for people, without small counts.
ALTER TABLE run ADD COLUMN findings TEXT;

-- The encoding profile of a token file: standard, hardened or max-quality.
ALTER TABLE submission ADD COLUMN profile TEXT NOT NULL DEFAULT 'standard';
