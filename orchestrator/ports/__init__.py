"""What services need of the world, as small protocols. Adapters implement them; fakes in tests do too."""
