-- Its rows are in traces now; the name is free for trajectories across traces.
DROP TABLE IF EXISTS trajectories SYNC
