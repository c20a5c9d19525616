"""Which model does which kind of task: what it costs, how it ends, what another would cost."""
