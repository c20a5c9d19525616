"""What providers billed: their reports, read into lines in our terms and kept with history."""
