"""GPU dollars: from samples and prices to the requests that used the GPUs."""
